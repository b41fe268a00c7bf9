//! The headers that a mail carries beside sender, recipient and subject (T5).

use crate::messages::Category;

/// What mailbox providers group complaints by (`Feedback-ID`), from the narrowest to the sender, who never changes.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackId<'a> {
    /// The workflow or template.
    pub campaign: &'a str,
    /// The tenant's id.
    pub tenant: &'a str,
    /// The installation; the same on all mails.
    pub sender: &'a str,
}

/// The further headers of a mail. One-click unsubscribing stands on promotional mail only: on a confirmation or an alert it would
/// switch off what the person needs. `unsubscribe_url` is the address of `/u/{token}`; addresses that could break out of the
/// header are left out. Sources: RFC 2369, RFC 8058, RFC 3834.
pub fn headers_for(
    category: Category,
    unsubscribe_url: Option<&str>,
    feedback: &FeedbackId<'_>,
) -> Vec<(String, String)> {
    let mut headers = vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())];
    let url = unsubscribe_url.filter(|url| category == Category::Promotional && is_safe(url));
    if let Some(url) = url {
        headers.push(("List-Unsubscribe".to_owned(), format!("<{url}>")));
        // Mailbox providers post only to https (RFC 8058 §3.1).
        if url.starts_with("https://") {
            headers.push((
                "List-Unsubscribe-Post".to_owned(),
                "List-Unsubscribe=One-Click".to_owned(),
            ));
        }
    }
    let parts = [
        feedback.campaign,
        feedback.tenant,
        category.as_str(),
        feedback.sender,
    ]
    .map(part);
    headers.push(("Feedback-ID".to_owned(), parts.join(":")));
    headers
}

fn is_safe(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() <= 900
        && url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b'"'))
}

/// A part holds letters, digits, `-` and `_`, at most 60; a colon would move the others.
fn part(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(60)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    if clean.is_empty() {
        "-".to_owned()
    } else {
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEEDBACK: FeedbackId<'static> = FeedbackId {
        campaign: "follow-up",
        tenant: "tnt_1",
        sender: "ringback",
    };

    fn names(category: Category, url: Option<&str>) -> Vec<String> {
        headers_for(category, url, &FEEDBACK)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// T5: one-click unsubscribing where the mail wants to sell, and nowhere else.
    #[test]
    fn only_promotional_mail_can_be_unsubscribed_with_one_click() {
        let url = Some("https://app.example.com/u/abc");
        assert_eq!(
            names(Category::Promotional, url),
            [
                "Auto-Submitted",
                "List-Unsubscribe",
                "List-Unsubscribe-Post",
                "Feedback-ID"
            ]
        );
        for category in [
            Category::Transactional,
            Category::Staff,
            Category::Emergency,
        ] {
            assert_eq!(
                names(category, url),
                ["Auto-Submitted", "Feedback-ID"],
                "{category}"
            );
        }
        let headers = headers_for(Category::Promotional, url, &FEEDBACK);
        assert_eq!(headers[1].1, "<https://app.example.com/u/abc>");
        assert_eq!(headers[2].1, "List-Unsubscribe=One-Click");
        assert_eq!(headers[3].1, "follow-up:tnt_1:promotional:ringback");
        assert_eq!(
            names(Category::Promotional, Some("http://127.0.0.1:8080/u/a")),
            ["Auto-Submitted", "List-Unsubscribe", "Feedback-ID"]
        );
    }

    /// Header injection: no part of a header can begin another.
    #[test]
    fn hostile_parts_stay_inside_their_header() {
        for url in [
            "https://a.example/\r\nBcc: b@example.com",
            "https://a.example/>,<https://b.example",
            "javascript:alert(1)",
            "https://a.example/ä",
            "",
        ] {
            assert_eq!(
                names(Category::Promotional, Some(url)),
                ["Auto-Submitted", "Feedback-ID"]
            );
        }
        let feedback = FeedbackId {
            campaign: "a:b\r\nX: y",
            tenant: "",
            sender: "s",
        };
        let headers = headers_for(Category::Staff, None, &feedback);
        assert_eq!(headers[1].1, "a-b--X--y:-:staff:s");
    }
}
