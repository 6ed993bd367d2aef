// Counts allocations of chosen threads, so that tests can say that a loop makes none.
//
// In a test executable on Linux with glibc this takes the place of malloc and its relatives; every call is passed on.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// Whether calls pass through here.
bool ac_available(void);
/// Allocations of marked threads since the process began, without those of the dynamic loader.
int64_t ac_count(void);
/// Counts the calling thread's allocations from now on, or no longer.
void ac_mark(bool marked);
