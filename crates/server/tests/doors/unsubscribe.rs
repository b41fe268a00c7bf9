//! The link in a mail that ends offers (T5, C5).

use crate::house::House;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use ringback_core::ids::MessageId;
use ringback_core::messages::{Category, ChannelKind, Status};
use ringback_core::turn::world::{Consent, PointKind, Purpose, Suppression};
use ringback_core::turn::{Answer, Compose, Intake};
use ringback_server::TokenFor;
use serde_json::Value;

const DANA: &str = "Dana@Example.com";

async fn mail(house: &House, category: Category) -> MessageId {
    let compose = Compose {
        lead: None,
        staff: None,
        to: Some(DANA.to_owned()),
        channel: ChannelKind::Email,
        category,
        body: Some("Hello".to_owned()),
        subject: Some("Hello".to_owned()),
        template: None,
        data: Value::Null,
        send_at: Some(house.app.now() + jiff::SignedDuration::from_hours(1)),
        actor: "test".to_owned(),
        sandbox: false,
    };
    match house
        .app
        .take(house.alder, Intake::Compose(Box::new(compose)), None)
        .await
        .unwrap()
    {
        Answer::Composed { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

/// T5, RFC 8058: looking changes nothing, one request ends offers, a second changes nothing more, and nothing asks for a cookie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_click_ends_offers_and_looking_changes_nothing() {
    let house = House::open().await;
    let id = mail(&house, Category::Transactional).await;
    let path = format!("/u/{}", house.app.tokens.write(TokenFor::Unsubscribe, id));
    let page = house.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("<form method=\"post\">"));
    assert!(
        house
            .point(house.alder, PointKind::Email, "dana@example.com")
            .await
            .is_none_or(|point| point.suppressed.is_none())
    );

    let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let request = Request::post(&path)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from(multipart))
        .unwrap();
    let answer = house.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("set-cookie").is_none() && page.header("set-cookie").is_none());
    let point = house
        .point(house.alder, PointKind::Email, "dana@example.com")
        .await
        .unwrap();
    assert_eq!(point.suppressed, Some(Suppression::Unsubscribed));
    assert_eq!(
        point
            .consent
            .get(ChannelKind::Email.code(), Purpose::Promotional),
        Consent::Revoked
    );

    assert_eq!(
        house
            .post_form(&path, &[("List-Unsubscribe", "One-Click")])
            .await
            .status,
        StatusCode::OK
    );
    let again = house
        .point(house.alder, PointKind::Email, "dana@example.com")
        .await
        .unwrap();
    assert_eq!(again.suppressed_at, point.suppressed_at);
    // What a person asked for still comes.
    assert_eq!(
        house.message(house.alder, id).await.status,
        Status::Scheduled
    );
    house.close().await;
}

/// Nobody learns from the page whether a link is anybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_nobodys_looks_the_same() {
    let house = House::open().await;
    let id = mail(&house, Category::Transactional).await;
    let real = format!("/u/{}", house.app.tokens.write(TokenFor::Unsubscribe, id));
    let alert = format!("/u/{}", house.app.tokens.write(TokenFor::Alert, id));
    let plain = |text: &str| {
        text.split("nonce=\"")
            .enumerate()
            .map(|(at, part)| {
                if at == 0 {
                    part
                } else {
                    part.split_once('"').unwrap().1
                }
            })
            .collect::<String>()
    };
    let (looked, ended) = (house.get(&real).await, house.post_form(&real, &[]).await);
    for path in ["/u/nonsense", "/u/AAAAAAAAAAAAAAAAAAAAAAAAAAA", &alert] {
        assert_eq!(
            plain(house.get(path).await.text()),
            plain(looked.text()),
            "{path}"
        );
        let answer = house.post_form(path, &[]).await;
        assert_eq!(
            (answer.status, plain(answer.text())),
            (ended.status, plain(ended.text())),
            "{path}"
        );
    }
    house.close().await;
}
