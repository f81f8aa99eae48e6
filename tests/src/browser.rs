//! Chromium through chromedriver, both Debian's; Firefox, Debian's, through geckodriver.

use crate::http;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a browser is started before that is a failure.
const SESSIONS: u32 = 3;

/// A browser with an empty profile.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    /// WebDriver.
    pub client: Client,
    session: String,
}

/// The folder for screenshots: `CXR_SCREENSHOTS`, or one beside the test binary.
pub fn screenshots() -> PathBuf {
    let folder = std::env::var_os("CXR_SCREENSHOTS").map_or_else(
        || std::env::current_exe().ok().and_then(|test| Some(test.parent()?.parent()?.join("screenshots"))).unwrap_or_default(),
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder).expect("a folder for screenshots");
    folder
}

impl Browser {
    /// Starts Chromium; `None`, with a line that says so, where the machine has no chromedriver (`cargo xtask test` installs it).
    pub async fn start() -> Option<Self> {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            "--window-size=1280,900",
            "--lang=en",
        ];
        let options = json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" } });
        Self::driven_by("chromedriver".as_ref(), "CXR_AXE", &options).await
    }

    /// Starts Firefox; `None`, with a line that says so, where there is no geckodriver: `CXR_GECKODRIVER` names it.
    pub async fn firefox() -> Option<Self> {
        let driver = std::env::var_os("CXR_GECKODRIVER").unwrap_or_else(|| "geckodriver".into());
        let options = json!({ "moz:firefoxOptions": { "binary": "/usr/bin/firefox-esr", "args": ["-headless", "--width=1280", "--height=900"] } });
        Self::driven_by(&driver, "CXR_GECKODRIVER", &options).await
    }

    /// Starts a driver, which must be there where the variable `required` is set, and a browser with empty hands.
    async fn driven_by(driver: &OsStr, required: &str, options: &Value) -> Option<Self> {
        let name = driver.display();
        let started = Command::new(driver).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = started else {
            assert!(std::env::var_os(required).is_none(), "{name} is missing");
            println!("skipped: no {name} here; `cargo xtask test` installs it");
            return None;
        };
        // chromedriver says `on port PORT.`, geckodriver `Listening on 127.0.0.1:PORT`; before that chromedriver names port 0.
        let port_of = |line: String| line.trim_end_matches('.').rsplit([' ', ':']).next()?.parse().ok().filter(|port| *port > 0);
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port: Option<u16> = lines.map_while(Result::ok).find_map(port_of);
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("a driver names its port")));
        let capabilities: Capabilities = serde_json::from_value(options.clone()).expect("an object");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        // On a busy machine a browser may not answer its driver in time: Firefox, mostly.
        let mut tries = 1;
        let client = loop {
            match builder.connect(&format!("http://{address}")).await {
                Ok(client) => break client,
                Err(error) => {
                    println!("{name}: session {tries} of {SESSIONS} did not start: {error}");
                    assert!(tries < SESSIONS, "{name}: no session: {error}");
                }
            }
            tries += 1;
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        let session = client.session_id().await.expect("a session").expect("its name");
        Some(Self { driver: child, address, client, session })
    }

    /// Chromedriver's own commands, which WebDriver does not have.
    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{path}", self.session);
        let answer =
            http::request(self.address, "POST", &path, &[("content-type", "application/json")], body.to_string().as_bytes());
        answer.expect(200).json()["value"].take()
    }

    /// A command of the DevTools protocol.
    #[track_caller]
    pub fn devtools(&self, name: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    /// Every request that the page made since the last call: each URL.
    #[track_caller]
    pub fn requests(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "performance" }));
        let message = |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str()?).ok();
        let entries = log.as_array().into_iter().flatten().filter_map(message).map(|mut message| message["message"].take());
        let sent = entries.filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }

    /// Errors and warnings that the browser reported, those of answers with an error status aside.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().into_iter().flatten().filter(|entry| entry["source"] != "network");
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    /// Evaluates a script's value.
    pub async fn eval(&self, script: &str) -> Value {
        self.client.execute(&format!("return {script};"), Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a script's value is true, for half a minute.
    pub async fn until(&self, script: &str) {
        self.within(Duration::from_secs(30), script).await;
    }

    /// Waits until a script's value is true.
    pub async fn within(&self, longest: Duration, script: &str) {
        let end = Instant::now() + longest;
        while self.eval(script).await != Value::Bool(true) {
            if Instant::now() > end {
                let text = self.eval("document.body.innerText").await;
                panic!("it never came true: {script}\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// An element's visible text.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.text().await.expect("text")
    }

    /// Clicks.
    pub async fn click(&self, selector: &str) {
        let element = self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Chooses files in the file field, as a person does.
    pub async fn choose(&self, files: &[PathBuf]) {
        let names: Vec<_> = files.iter().map(|file| file.canonicalize().expect("a file").display().to_string()).collect();
        let field = self.client.find(Locator::Css("#files")).await.expect("a file field");
        field.send_keys(&names.join("\n")).await.expect("files chosen");
    }

    /// Saves a picture of the window.
    pub async fn screenshot(&self, name: &str) {
        let picture = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(screenshots().join(format!("{name}.png")), picture).expect("a screenshot saved");
    }

    /// Saves a picture of the whole page.
    pub fn full_screenshot(&self, name: &str) {
        use base64::Engine as _;
        let picture = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let data = picture["data"].as_str().expect("base64");
        let bytes = base64::prelude::BASE64_STANDARD.decode(data).expect("base64");
        std::fs::write(screenshots().join(format!("{name}.png")), bytes).expect("a screenshot saved");
    }

    /// Shows the page as a device of that size does.
    pub fn resize(&self, width: u32, height: u32, mobile: bool) {
        let scale = if mobile { 2 } else { 1 };
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile }),
        );
    }

    /// Asks for light or dark colours.
    pub fn scheme(&self, scheme: &str) {
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// What axe-core finds wrong, by rule and element; `CXR_AXE` names its script, which is no part of this repository.
    pub async fn axe(&self) -> Vec<String> {
        let Some(path) = std::env::var_os("CXR_AXE") else {
            println!("skipped: CXR_AXE names no axe.min.js; `cargo xtask test` gets it");
            return Vec::new();
        };
        let script = std::fs::read_to_string(&path).expect("axe.min.js");
        // In a world of its own: the page's policy forbids foreign scripts, as it should.
        self.devtools("Runtime.evaluate", &json!({ "expression": script }));
        let run = "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] })\
            .then((r) => JSON.stringify(r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target.join(' ') + ': ' + n.failureSummary))))";
        let found = self.devtools("Runtime.evaluate", &json!({ "expression": run, "awaitPromise": true, "returnByValue": true }));
        let found = found["result"]["value"].as_str().unwrap_or_else(|| panic!("axe-core did not run: {found}")).to_owned();
        serde_json::from_str(&found).expect("a list")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = http::request(self.address, "DELETE", &format!("/session/{}", self.session), &[], b"");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
