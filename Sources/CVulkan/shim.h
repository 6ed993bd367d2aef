// Vulkan's types only: the loader is opened at run time (Compute/Loader.swift), so that a machine without
// Vulkan still runs everything else.
#pragma once
#define VK_NO_PROTOTYPES 1
#include <vulkan/vulkan.h>
