// Kernels that serve many tensors in one dispatch. What a tensor needs is a record of words in a table; in front of the
// records, unless there is only one, stand two words for every workgroup: which record, and which block of its work.
//
// TABLE is the table's binding.

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;

layout(binding = TABLE, std430) readonly buffer Table { uint table[]; };

layout(push_constant) uniform Push
{
    uint workgroups;
    // Where records begin; 0 when there is one record and no list of workgroups.
    uint recordsAt;
    // Whatever a kernel needs besides.
    uint parameter;
};

// Whether this workgroup has something to do; the same for all its invocations.
bool findBlock(out uint record, out uint block)
{
    // Dispatches of many workgroups are folded into two axes.
    uint w = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
    record = 0u;
    block = w;
    if (w >= workgroups) return false;
    if (recordsAt > 0u) {
        record = table[w * 2u];
        block = table[w * 2u + 1u];
    }
    return true;
}
