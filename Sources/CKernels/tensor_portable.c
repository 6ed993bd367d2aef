// Vectors of four floats: what every 64-bit processor has.
#define CK_WIDTH 4
#define CK_NAME(name) name##_portable
#include "body/tensor.h"
