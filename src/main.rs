//! Arguments in, one call.

fn main() -> std::process::ExitCode {
    terrace::cli::main()
}
