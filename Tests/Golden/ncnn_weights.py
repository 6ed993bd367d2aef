"""Reads ncnn's .param/.bin by itself, for the real models: a list of layers and a dictionary of arrays."""

import numpy as np


def read(stem: str):
    lines = [line.split() for line in open(stem + ".param") if line.strip()]
    assert lines[0] == ["7767517"]
    data = open(stem + ".bin", "rb").read()
    position = 0
    layers = []
    for words in lines[2:]:
        kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
        values = dict(word.split("=", 1) for word in words[4 + inputs + outputs:])
        layer = {"kind": kind, "name": name, "values": values}
        if kind == "Convolution":
            count, out, side = int(values["6"]), int(values["0"]), int(values["1"])
            flag = int.from_bytes(data[position:position + 4], "little")
            position += 4
            if flag == 0x01306B47:
                weight = np.frombuffer(data, "<f2", count, position).astype(np.float32)
                position += (2 * count + 3) // 4 * 4
            else:
                assert flag == 0
                weight = np.frombuffer(data, "<f4", count, position)
                position += 4 * count
            layer["weight"] = weight.reshape(out, -1, side, side)
            layer["bias"] = np.frombuffer(data, "<f4", out, position)
            position += 4 * out
        elif kind == "PReLU":
            count = int(values["0"])
            layer["weight"] = np.frombuffer(data, "<f4", count, position)
            position += 4 * count
        layers.append(layer)
    assert position == len(data), "the .bin file does not fit the .param file"
    return layers


def state_dict(stem: str):
    """The weights under the names of the original training code, told by the order of the layers."""
    layers = read(stem)
    convolutions = [layer for layer in layers if layer["kind"] == "Convolution"]
    state = {}
    if any(layer["kind"] == "PReLU" for layer in layers):
        chain = [layer for layer in layers if "weight" in layer]
        for index, layer in enumerate(chain):
            state[f"body.{index}.weight"] = layer["weight"]
            if "bias" in layer:
                state[f"body.{index}.bias"] = layer["bias"]
        return state
    blocks = (len(convolutions) - 6) // 15
    names = ["conv_first"]
    names += [f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
    names += ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    assert len(names) == len(convolutions)
    for name, layer in zip(names, convolutions):
        state[name + ".weight"], state[name + ".bias"] = layer["weight"], layer["bias"]
    return state


def final_resize(stem: str) -> float:
    """The factor of the bicubic resize that ends the network; 1 when there is none."""
    last = read(stem)[-1]
    if last["kind"] != "Interp":
        return 1.0
    assert last["values"]["0"] == "3", "type 3 is bicubic"
    assert last["values"]["1"] == last["values"]["2"] and last["values"].get("6", "0") == "0"
    return float(last["values"]["1"])
