use super::*;

#[test]
fn pages_escape_what_they_show() {
    for page in [landing_page, admin_page] {
        let page = page("<script>alert(1)</script>", &Model::default());
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains("{{"));
    }
}
