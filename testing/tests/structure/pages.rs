//! What a page names: paths in backticks, those that its links lead to, and the commands that it types.

/// The paths of the project that `page` names, each with its line. `top` are the entries of the project's own folder: what begins
/// otherwise is no path of it, unless it has a `src` behind its first part as a crate does. `folder` is the page's own, for links.
pub(crate) fn paths(page: &str, folder: &str, top: &[String]) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut fenced = false;
    for (number, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let code = line.split('`').skip(1).step_by(2).filter(|code| is_path(code, top)).map(str::to_owned);
        let links = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let links = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
        let links = links.map(|link| format!("{folder}/{}", link.split('#').next().unwrap_or_default()));
        paths.extend(code.chain(links).map(|path| (number + 1, path)));
    }
    paths
}

fn is_path(code: &str, top: &[String]) -> bool {
    let mut parts = code.split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-*".contains(letter);
    code.chars().all(plain) && second.is_some() && (top.iter().any(|entry| entry == first) || second == Some("src"))
}

/// The commands in the shell blocks of `page`, each with its line.
pub(crate) fn commands(page: &str) -> Vec<(usize, &str)> {
    let mut shell = false;
    let mut commands = Vec::new();
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            shell = line == "```sh";
        } else if shell {
            commands.push((number + 1, line));
        }
    }
    commands
}
