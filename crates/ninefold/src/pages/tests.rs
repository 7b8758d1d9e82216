use super::*;

#[test]
fn the_landing_page_escapes_what_it_shows() {
    let page = landing_page("<script>alert(1)</script>", &Model::default());
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; is running"));
    assert!(!page.contains("<script>"));
    assert!(!page.contains("{{"));
}
