//! The methods that a route takes. HEAD is GET without the content (RFC 9110, section 9.3.2): who may do the one may do the other.

use hyper::Method;

use crate::mistakes::Section;

/// Whether a route with these `methods`, any if there are none, takes `method`.
pub(super) fn take(methods: &[Method], method: &Method) -> bool {
    methods.is_empty() || methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
}

/// `methods`, each once, and HEAD where GET is.
pub(super) fn each_once<'m>(methods: impl IntoIterator<Item = &'m Method>) -> Vec<Method> {
    let mut taken: Vec<Method> = Vec::new();
    for method in methods {
        let head = (*method == Method::GET).then_some(&Method::HEAD);
        for method in [method].into_iter().chain(head) {
            if !taken.contains(method) {
                taken.push(method.clone());
            }
        }
    }
    taken
}

pub(super) fn read(section: &mut Section, texts: &[String]) -> Vec<Method> {
    let method = |text: &String| {
        let method = Method::from_bytes(text.as_bytes()).ok();
        let method = method.filter(|_| text.bytes().all(|b| b.is_ascii_uppercase()));
        section.need(method, || format!("method {text:?}: accepted is a name in upper case, such as GET"))
    };
    texts.iter().filter_map(method).collect()
}
