//! `make run`: the two services as plain processes.

use e2e::{Shell, eventually};

#[test]
fn make_run_serves_the_page_and_the_api() {
    let shell = Shell::default();
    shell.run("cargo build --quiet -p backend -p frontend");
    let make = shell.start("make --no-print-directory run");
    for (url, text) in [("http://127.0.0.1:8000/", "<html"), ("http://127.0.0.1:8000/proxy/items", "\"items\"")] {
        eventually(url, || {
            let reply = shell.attempt(&format!("curl -fsS {url}"));
            if reply.stdout.contains(text) { Ok(()) } else { Err(reply.text()) }
        });
    }
    let _ = make.terminate();
    eventually("the ports are free again", || {
        let open = shell.stdout("ss -Hltn '( sport = :8000 or sport = :8001 )'");
        if open.is_empty() { Ok(()) } else { Err(open) }
    });
}
