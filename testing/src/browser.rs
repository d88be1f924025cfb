//! Chromium, driven through chromedriver in the W3C `WebDriver` protocol.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

/// What to install where there is no browser.
const MEND: &str = "these tests look at the page in Chromium; on Debian: \
                    apt-get install --no-install-recommends chromium chromium-driver";

/// Longest wait for a condition on the page.
const PATIENCE: Duration = Duration::from_secs(30);

/// One browser with one tab and a profile of its own.
pub struct Browser {
    agent: Agent,
    driver: Child,
    profile: PathBuf,
    /// `http://127.0.0.1:PORT/session/ID`
    session: String,
}

impl Browser {
    /// Starts a browser and opens `url` in it. `name` names its profile and is unique among the tests.
    pub fn open(name: &str, url: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("profile-{name}-{}", std::process::id()));
        let (driver, address) = start_driver();
        let agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().new_agent();
        // From here on, Drop ends the driver whatever fails.
        let mut browser = Self { agent, driver, profile, session: format!("http://{address}/session") };
        let id = browser.post("", &browser.capabilities())["sessionId"].clone();
        let id = id.as_str().unwrap_or_else(|| panic!("no session was made: {MEND}"));
        browser.session = format!("{}/{id}", browser.session);
        browser.post("/url", &json!({ "url": url }));
        browser
    }

    fn capabilities(&self) -> Value {
        let arguments = [
            "--headless",
            // Chromium's sandbox refuses to work for root, and the page is our own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1440,1000",
            &format!("--user-data-dir={}", self.profile.display()),
        ];
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}})
    }

    /// Runs `script` as the body of a function in the page and returns what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs `script` as the body of an async function in the page and returns what its promise resolves to.
    pub fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0];
             (async () => {{ {script} }})().then(done, (error) => done(`failed: ${{error.stack}}`));"
        );
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the expression `condition` holds in the page. `what` says what is waited for.
    pub fn wait(&self, what: &str, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        let script = format!("return Boolean({condition});");
        while self.run(&script) != json!(true) {
            if Instant::now() > deadline {
                let page = self.run("return document.body.innerText;");
                panic!(
                    "waited {} s for {what}; the page says:\n{}",
                    PATIENCE.as_secs(),
                    page.as_str().unwrap_or("nothing")
                );
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// The number that the element `id` shows.
    pub fn figure(&self, id: &str) -> u64 {
        let text = self.text(id).replace(',', "");
        text.parse().unwrap_or_else(|_| panic!("#{id} shows {text:?}, which is no number"))
    }

    /// The text that the element `id` shows.
    pub fn text(&self, id: &str) -> String {
        let text = self.run(&format!("return document.getElementById('{id}').textContent;"));
        text.as_str().unwrap_or_else(|| panic!("there is no #{id}")).to_owned()
    }

    /// Clicks the element `id` as a mouse does.
    pub fn click(&self, id: &str) {
        self.post(&format!("/element/{}/click", self.element(id)), &json!({}));
    }

    /// Presses the keys of `text`, in `WebDriver`'s encoding, wherever the focus is.
    pub fn press(&self, text: &str) {
        let keys: Vec<Value> = text
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] }));
    }

    /// Stops the browser for `time`, as a machine that sleeps does.
    pub fn suspend(&self, time: Duration) {
        self.signal("-STOP");
        sleep(time);
        self.signal("-CONT");
    }

    /// Makes the page see a viewport of `width` times `height` CSS pixels and the colour scheme `scheme`.
    pub fn emulate(&self, width: u32, height: u32, scheme: &str) {
        let device = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &device);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// From now on, files that the page saves are put into `folder`.
    pub fn save_to(&self, folder: &Path) {
        self.devtools("Browser.setDownloadBehavior", &json!({ "behavior": "allow", "downloadPath": folder }));
    }

    /// What the tab shows now, without scroll bars, as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        self.devtools("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
        let text = self.get("/screenshot");
        Base64::decode_vec(text.as_str().expect("a picture is text")).expect("a picture is in base64")
    }

    /// Everything on the console, but for what Chromium writes there by itself when a request to `/proxy/` is answered
    /// with an error status. Violations of the content security policy are on the console too.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.log("browser");
        let text = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries
            .iter()
            .filter(|entry| entry["source"] != "network" || !text(entry).contains("/proxy/"))
            .map(text)
            .collect()
    }

    /// The URLs of all requests that the page and its worker made so far.
    pub fn requested(&self) -> Vec<String> {
        self.log("performance")
            .iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok())
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|event| event["message"]["params"]["request"]["url"].as_str().map(str::to_owned))
            .collect()
    }

    /// Sends `signal` to chromedriver and the browser, which are in one process group.
    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", &json!({ "type": kind }));
        entries.as_array().unwrap_or_else(|| panic!("no {kind} log")).clone()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    fn element(&self, id: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": format!("#{id}") }));
        // The key is fixed by the standard: https://www.w3.org/TR/webdriver2/#elements
        let reference = found["element-6066-11e4-a52e-4f735466cecf"].as_str();
        reference.unwrap_or_else(|| panic!("there is no #{id}")).to_owned()
    }

    fn get(&self, path: &str) -> Value {
        Self::value(path, self.agent.get(format!("{}{path}", self.session)).call())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.session)).content_type("application/json");
        Self::value(path, request.send(body.to_string()))
    }

    fn value(path: &str, reply: Result<Response<Body>, ureq::Error>) -> Value {
        let mut reply = reply.unwrap_or_else(|error| panic!("{path}: {error}"));
        // A log of the browser may be long; ureq's own bound is 10 MB.
        let text = reply.body_mut().read_to_string().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
        assert!(reply.status().is_success(), "{path}: {}; {MEND}", json["value"]["message"]);
        json["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The polite way lets Chromium end its own children; the group is ended for the case that this fails.
        let _ = self.agent.delete(&self.session).call();
        self.signal("-KILL");
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Starts chromedriver and returns its address.
fn start_driver() -> (Child, String) {
    let mut output = String::new();
    // Seen once on a busy machine: with `--port=0` it ends without a word, and the next one starts.
    for _ in 0..3 {
        match try_driver() {
            Ok(started) => return started,
            Err(text) => output = text,
        }
    }
    panic!("chromedriver ended before it was ready: {output}\n{MEND}");
}

/// Starts chromedriver in a process group of its own, on a port that it chooses, or returns what it wrote before it ended.
fn try_driver() -> Result<(Child, String), String> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap_or_else(|error| panic!("chromedriver: {error}; {MEND}"));
    let mut lines = BufReader::new(driver.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    let mut output = String::new();
    let port = lines.by_ref().find_map(|line| {
        output.push_str(&line);
        output.push('\n');
        Some(line.split_once("started successfully on port ")?.1.trim_end_matches('.').to_owned())
    });
    let Some(port) = port else {
        let status = driver.wait().expect("a child can be waited for");
        return Err(format!("{output}{status}"));
    };
    // Whoever closes the pipe makes chromedriver's next line an error, so it is read for as long as it lives.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((driver, format!("127.0.0.1:{port}")))
}
