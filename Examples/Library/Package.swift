// swift-tools-version: 6.2
import PackageDescription

// A program as a user of the library writes it: a package of its own, which knows the product Upframe and nothing else.
// In a program of yours the dependency is .package(url: "https://github.com/…/upframe", branch: "main").
let package = Package(
    name: "library-example",
    dependencies: [.package(name: "upframe", path: "../..")],
    targets: [
        .executableTarget(name: "LibraryExample", dependencies: [.product(name: "Upframe", package: "upframe")])
    ],
    swiftLanguageModes: [.v6]
)
