//! Compiles the protos in Rust, without `protoc`.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 5] = [
    "nearfield/v1/admin_service.proto",
    "nearfield/v1/collection_service.proto",
    "nearfield/v1/exclusion_service.proto",
    "nearfield/v1/point_service.proto",
    "nearfield/v1/search_service.proto",
];

/// Beside the server, which they describe.
const PROTO: &str = "../server/proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    // For reflection, and for the tests that read it.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    let server = std::env::var_os("CARGO_FEATURE_SERVER").is_some();
    tonic_prost_build::configure()
        .bytes(".")
        .build_server(server)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
