// Weight files that are part of the program.
#ifndef CMODELS_H
#define CMODELS_H

typedef struct {
    const unsigned char *bytes;
    long count;
} cm_file;

// realtime-x2: trained by samples/recipes/compact-realtime-x2.yaml, see Models/README.md.
cm_file cm_realtime_x2(void);
// realtime-x2-video: trained by samples/recipes/video-web-x2.yaml.
cm_file cm_realtime_x2_video(void);

#endif
