//! Who the operating system says we are.

use rustix::process::geteuid;

use super::PlatformError;

/// Returns the name of this process's user: from `/etc/passwd`, else `id -un` (a directory service), else the number.
///
/// `USER` is not asked: anybody can set it.
pub(super) fn name() -> String {
    name_of(geteuid().as_raw())
}

/// Returns the name of a user of this machine, likewise.
pub(super) fn name_of(uid: u32) -> String {
    let local = std::fs::read_to_string("/etc/passwd").ok().and_then(|text| in_passwd(&text, uid));
    local.or_else(|| by_command(uid)).unwrap_or_else(|| format!("uid:{uid}"))
}

fn in_passwd(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (!name.is_empty() && number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn by_command(uid: u32) -> Option<String> {
    let output = std::process::Command::new("id").args(["-un", &uid.to_string()]).output().ok();
    let output = output.filter(|output| output.status.success())?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Returns the number of a group of this machine.
///
/// # Errors
///
/// A group that does not exist.
pub(super) fn group(name: &str) -> Result<u32, PlatformError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let local = std::fs::read_to_string("/etc/group").ok().and_then(|text| in_group(&text, name));
    let found = local.or_else(|| {
        let output = std::process::Command::new("getent").args(["group", name]).output().ok()?;
        in_group(&String::from_utf8_lossy(&output.stdout), name)
    });
    found.ok_or_else(|| PlatformError::NotFound { what: format!("group {name} on this machine") })
}

fn in_group(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_number() {
        let text = "root:x:0:0:root:/root:/bin/sh\n+::::::\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(in_passwd(text, 1000).as_deref(), Some("alice"));
        assert_eq!(in_passwd(text, 7), None);
    }
}
