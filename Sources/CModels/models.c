#include "CModels.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char realtime_x2[] = {
#embed "realtime-x2.safetensors"
};

static const unsigned char realtime_x2_video[] = {
#embed "realtime-x2-video.safetensors"
};

cm_file cm_realtime_x2(void) { return (cm_file){realtime_x2, sizeof realtime_x2}; }
cm_file cm_realtime_x2_video(void) { return (cm_file){realtime_x2_video, sizeof realtime_x2_video}; }
