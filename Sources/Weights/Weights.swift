// Weights: models in files.
//
// `Model` is a network definition with its trained tensors. `Model.load` reads safetensors (`SafetensorsFile`) and ncnn's
// .param/.bin pairs (`NcnnImporter`), chosen by content; `Model.save` writes safetensors.
//
// A safetensors file of ours carries a metadata entry `upframe` (`MetadataEntry`): what the network is, where it came
// from, and a SHA-256 over its tensors. A file without it is recognised from its keys and shapes (`KeyRecognition`). The
// network's parameters are made of the file's tensors by the definition's rules: shapes are checked before data are read,
// and numbers are computed in double precision (`WeightEvaluation`).
//
// An ncnn file is a network definition by itself: its layers are translated into operations, for images of any size. Where
// they are, node by node, what one of our architectures computes (`GraphMatch`), the parameters get that architecture's
// names, and the model can be written as safetensors.
//
// Files are never trusted: every length, offset, shape and name is checked before data is touched, and each failure is
// one `WeightError` that names the file, the tensor and what was expected. This module runs no network and fetches
// nothing.
