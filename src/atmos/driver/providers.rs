//! Whether `init` may write into the provider cache that all runs share.
//!
//! Terraform does not guard the cache: two `init`s that download one provider at a time can leave half of it. So an
//! `init` that may download takes a lock first; one that finds everything there, or needs nothing, does not.

use std::path::Path;

use hcl::Body;

/// Tells whether `init` of this folder may download a provider into the cache.
#[must_use]
pub fn may_download(folder: &Path, cache: &Path) -> bool {
    match std::fs::read_to_string(folder.join(".terraform.lock.hcl")) {
        Ok(pins) => !all_cached(&pins, cache),
        Err(_) => !needs_none(folder),
    }
}

/// Tells whether the cache holds every provider that a lock file pins.
fn all_cached(pins: &str, cache: &Path) -> bool {
    let Ok(body) = hcl::parse(pins) else {
        return false;
    };
    body.blocks().filter(|block| block.identifier() == "provider").all(|block| {
        let name = block.labels().first().map(|label| label.as_str()).unwrap_or_default();
        let version = block.body().attributes().find(|attribute| attribute.key() == "version");
        let version = version.and_then(|attribute| match attribute.expr() {
            hcl::Expression::String(version) => Some(version.clone()),
            _ => None,
        });
        let plain = !name.split('/').any(|part| part.is_empty() || part == "..");
        plain && version.is_some_and(|version| cache.join(name).join(version).is_dir())
    })
}

/// Tells whether a folder uses nothing but what is built into Terraform.
fn needs_none(folder: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(folder) else {
        return false;
    };
    let mut files = files.flatten().map(|entry| entry.path());
    files.all(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".tf.json") {
            return false;
        }
        !name.ends_with(".tf")
            || std::fs::read_to_string(&path).is_ok_and(|text| hcl::parse(&text).is_ok_and(|body| is_built_in(&body)))
    })
}

fn is_built_in(body: &Body) -> bool {
    body.blocks().all(|block| match block.identifier() {
        "resource" | "data" | "ephemeral" => {
            block.labels().first().is_some_and(|label| label.as_str().starts_with("terraform_"))
        }
        "terraform" => block.body().blocks().all(|inner| inner.identifier() != "required_providers"),
        "module" | "provider" => false,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_init_that_may_download_waits_for_the_cache() {
        let temp = tempfile::tempdir().expect("temp");
        let (folder, cache) = (temp.path().join("network"), temp.path().join("cache"));
        std::fs::create_dir(&folder).expect("made");
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("written");
        write("main.tf", "resource \"terraform_data\" \"it\" {}\nvariable \"x\" {}\n");
        assert!(!may_download(&folder, &cache));
        write("more.tf", "resource \"null_resource\" \"it\" {}\n");
        assert!(may_download(&folder, &cache));
        write(".terraform.lock.hcl", "provider \"registry.terraform.io/hashicorp/null\" {\n  version = \"3.2.4\"\n}\n");
        assert!(may_download(&folder, &cache));
        std::fs::create_dir_all(cache.join("registry.terraform.io/hashicorp/null/3.2.4/linux_amd64")).expect("made");
        assert!(!may_download(&folder, &cache));
    }
}
