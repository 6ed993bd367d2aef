// Winograd's F(4x4, 3x3) on the points 0, +-sqrt(1/2), +-sqrt(2) and infinity (Lavin and Gray, 2016): a quarter of the
// multiplications. Three kernels in turn: winograd_in transforms tiles of 6x6 samples into `[xi][tile][quad]`,
// winograd_product multiplies them with transformed weights `[xi][quad of inputs][output][4 inputs]`, winograd_out
// transforms the sums `[xi][tile][quad]` back and ends them like any convolution. What lies in between is in single
// precision whatever the storage is, because the transforms take differences of large numbers.
//
// A launch works on some rows of one image. Its tiles begin at its first row and are numbered row by row; how many there
// are stands in the push constants in place of the view that a kernel has no use for.

void winogradForward(in vec4 d[6], out vec4 t[6])
{
    t[0] = (d[4] + d[0]) - 2.5 * d[2];
    vec4 even = d[4] - 2.0 * d[2];
    vec4 odd = 0.70710678 * (d[3] - 2.0 * d[1]);
    t[1] = even + odd;
    t[2] = even - odd;
    even = d[4] - 0.5 * d[2];
    odd = 1.41421356 * (d[3] - 0.5 * d[1]);
    t[3] = even + odd;
    t[4] = even - odd;
    t[5] = (d[5] + d[1]) - 2.5 * d[3];
}

void winogradInverse(in vec4 m[6], out vec4 y[4])
{
    vec4 s1 = m[1] + m[2];
    vec4 d1 = m[1] - m[2];
    vec4 s2 = m[3] + m[4];
    vec4 d2 = m[3] - m[4];
    y[0] = m[0] + (s1 + s2);
    y[1] = 0.70710678 * d1 + 1.41421356 * d2;
    y[2] = 0.5 * s1 + 2.0 * s2;
    y[3] = (m[5] + 0.35355339 * d1) + 2.82842712 * d2;
}
