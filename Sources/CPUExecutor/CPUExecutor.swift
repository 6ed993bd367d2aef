// CPUExecutor
