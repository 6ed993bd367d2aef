// VulkanExecutor
