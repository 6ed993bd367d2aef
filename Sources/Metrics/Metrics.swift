// Metrics: how much two pictures differ, as numbers that can be compared with other people's.
//
// Its parts: `Plane` (one channel of a picture), `LumaWeights` (what luma is), `PSNR`, `SSIM` and `MultiScaleSSIM`, and
// `PictureMetrics`, all of them for one pair of pictures. The definitions are those of the literature (Wang et al. 2004
// for SSIM, Wang et al. 2003 for MS-SSIM), checked against independent code in Tests/Golden/make_metrics.py.
//
// It refuses: pictures of different sizes (resizing is a decision, and the caller's), and to know where pictures come
// from.
