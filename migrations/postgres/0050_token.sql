-- Tokens. `document` is the token as the API shows it; the secret itself is nowhere, only its SHA-256.
create table tokens (
    id        text collate "C" primary key,
    hash      text not null,
    document  text not null check (document::json is not null)
);
