//! Who the operating system says we are.

use rustix::process::geteuid;

/// Returns the name of this process's user: from `/etc/passwd`, else `id -un` (a directory service), else the number.
///
/// `USER` is not asked: anybody can set it.
pub(super) fn name() -> String {
    let uid = geteuid().as_raw();
    let local = std::fs::read_to_string("/etc/passwd").ok().and_then(|text| in_passwd(&text, uid));
    local.or_else(by_command).unwrap_or_else(|| format!("uid:{uid}"))
}

fn in_passwd(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (!name.is_empty() && number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn by_command() -> Option<String> {
    let output = std::process::Command::new("id").arg("-un").output().ok().filter(|output| output.status.success())?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
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
