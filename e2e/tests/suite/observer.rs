//! The page in real Chromium, beside a real cluster: what befalls a pod has its words there, also where no reply tells of it.

use e2e::Namespace;
use testing::browser::Browser;

/// Waits until the page shows each of the texts.
fn shows(page: &Browser, texts: &[&str]) {
    for text in texts {
        page.wait(text, &format!("document.body.textContent.includes({text:?})"));
    }
}

/// Probes that act soon, and buttons that have them act.
const RELEASE: &str = "-f values/quick-probes.yaml -f values/faults-on-request.yaml --set services.backend.probes.liveness.periodSeconds=1";

#[test]
fn the_page_has_words_for_what_befalls_pods_that_do_not_answer() {
    let ns = Namespace::restricted("observed");
    ns.run("helm install observer chart/ -f values/observer.yaml");
    ns.install(RELEASE);
    let page = Browser::open("observed", &format!("http://{}:30080/", ns.node_addresses()[0]));
    shows(&page, &["practice-backend: 2 wanted, 2 there", "autoscaler practice-backend: ", ", rollout complete"]);

    // A button has one pod fail its liveness probe, which restarts it, and that ends the fault.
    page.wait("the buttons", "!document.getElementById('faults').hidden");
    page.run("document.querySelector('#faults [value=not-live]').click();");
    shows(
        &page,
        &["Fail liveness: practice-backend-", "Liveness probe failed: HTTP probe failed with statuscode: 503"],
    );

    // Three that never answer, and one pod more of a service that does.
    ns.run(&format!(
        "helm upgrade practice chart/ {RELEASE} --set services.frontend.replicas=3 \
         --set services.picture.replicas=1,services.picture.image.tag=v9 \
         --set services.crash.replicas=1,services.crash.faults.crashAfterSeconds=0 \
         --set services.deaf.replicas=1,services.deaf.faults.neverReady=true",
    ));
    shows(
        &page,
        &[
            "practice-frontend: 3 wanted, 3 there, 3 of them new, 3 ready",
            "no image backend:v9, ImagePullBackOff: ",
            "not ready for ",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
            "crash loop, ",
            "last ended with Error, code 1",
            ", ready, 1 restart, last ended with Completed, code 0",
        ],
    );
    page.wait(
        "a row for each",
        "document.querySelectorAll('[data-service=picture], [data-service=crash], [data-service=deaf]').length === 3",
    );

    // An outage and its end.
    ns.run("kubectl scale deploy/practice-backend --replicas=0");
    shows(&page, &["practice-backend: 0 wanted", "terminating, at most ", "Nothing answered for "]);
    ns.run("kubectl scale deploy/practice-backend --replicas=2");
    shows(&page, &["practice-backend: 2 wanted, 2 there, 2 of them new, 2 ready", "Answered again."]);

    let may =
        |what: &str| ns.attempt(&format!("kubectl auth can-i {what} --as=system:serviceaccount:observed:observer"));
    assert!(may("watch pods").succeeded());
    for what in ["delete pods", "get secrets", "list configmaps", "create pods/exec", "list pods --namespace=default"] {
        assert!(!may(what).succeeded(), "the observer may {what}");
    }
}
