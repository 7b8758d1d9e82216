use super::*;

#[test]
fn the_chat_reads() {
    let model = read(CHAT);
    let names: Vec<_> = model
        .collections
        .iter()
        .map(|c| (c.name.as_str(), c.path.as_str(), c.table.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("User", "users", "user"),
            ("Room", "rooms", "room"),
            ("Message", "messages", "message")
        ]
    );
    assert_eq!(model.accounts, Some(CollectionId(0)));

    let user = model.by_name("User").unwrap();
    assert_eq!(user.account.unwrap().sign_up, SignUp::Open);
    assert_eq!(user.doc.as_deref(), Some("Someone who signs in."));
    let fields: Vec<_> = user.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(
        fields,
        [
            "id", "created", "updated", "version", "email", "verified", "roles", "name", "rooms"
        ]
    );

    let room = model.by_path("rooms").unwrap();
    let members = room.field_named("members").unwrap();
    let links = FieldKind::Links {
        target: user.id,
        table: "room_members".into(),
        source_column: "room_id".into(),
        target_column: "user_id".into(),
    };
    assert_eq!(members.kind, links);
    let rooms = user.field_named("rooms").unwrap();
    assert_eq!(
        rooms.kind,
        FieldKind::Inverse {
            target: room.id,
            field: members.id
        }
    );

    let message = model.by_name("Message").unwrap();
    let field = message.field_named("room").unwrap();
    assert_eq!(
        field.kind,
        FieldKind::Reference {
            target: room.id,
            on_delete: OnDelete::Cascade
        }
    );
    assert!(field.required && field.immutable);
    assert_eq!(message.indexes[0].name, "ix_message_room_sent");
    assert_eq!(model.referrers(user.id).len(), 2);
}
