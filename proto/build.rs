//! Compiles the .proto files with protox, so that a fresh machine needs no protoc.

use std::{env, fmt::Write as _, fs, io, path::PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;

const PUBLIC: &[&str] = &[
    "swarm/v1/common.proto",
    "swarm/v1/task.proto",
    "swarm/v1/hold.proto",
    "swarm/v1/agent.proto",
    "swarm/v1/event.proto",
    "swarm/v1/coordinator_service.proto",
    "swarm/v1/task_service.proto",
    "swarm/v1/agent_service.proto",
    "swarm/v1/queue_service.proto",
    "swarm/v1/admin_service.proto",
];
const STORED: &[&str] = &["swarm/store/v1/record.proto", "swarm/store/v1/event.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?);
    for file in PUBLIC.iter().chain(STORED) {
        println!("cargo:rerun-if-changed={file}");
    }

    // The reflection service and the JSON form of messages know the public schema only.
    let public = protox::compile(PUBLIC, ["."])?;
    fs::write(out.join("swarm.v1.bin"), public.encode_to_vec())?;
    fs::write(out.join("unary.rs"), unary(&public)?)?;

    let all = protox::compile(PUBLIC.iter().chain(STORED), ["."])?;
    let mut config = tonic_prost_build::Config::new();
    // Each message knows the name under which its schema is found.
    config.enable_type_names();
    tonic_prost_build::configure()
        // Ordered maps: hash order would make stored bytes differ from run to run.
        .btree_map(".")
        .bytes(".swarm.store.v1")
        // A fake coordinator has the methods that its tests need. The door of the real one is made to have all.
        .generate_default_stubs(true)
        .compile_fds_with_config(all, config)?;
    Ok(())
}

/// The requests with one answer, as `src/unary.rs` has them.
fn unary(schema: &FileDescriptorSet) -> Result<String, std::fmt::Error> {
    let mut requests = String::new();
    for file in &schema.file {
        for service in &file.service {
            let unary = |method: &&prost_types::MethodDescriptorProto| {
                !method.client_streaming() && !method.server_streaming()
            };
            for method in service.method.iter().filter(unary) {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let [request, answer] = [method.input_type(), method.output_type()]
                    .map(|name| name.replace(".swarm.v1.", "v1::"));
                writeln!(
                    requests,
                    "impl Unary for {request} {{ type Answer = {answer}; const PATH: &'static str = {path:?}; }}"
                )?;
            }
        }
    }
    Ok(requests)
}
