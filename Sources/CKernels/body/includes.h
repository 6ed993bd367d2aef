// What the bodies include, pulled in before any target attribute is pushed.
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../include/CKernels.h"
