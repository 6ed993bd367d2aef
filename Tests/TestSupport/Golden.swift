/// Where the golden values lie.
public let goldenFolder =
    String(#filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }) + "/Golden/data"
