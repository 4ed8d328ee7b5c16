//! Arguments in, one call.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
