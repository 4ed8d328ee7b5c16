-- Tokens. `document` is the token as the API shows it; the secret itself is nowhere, only its SHA-256.
create table tokens (
    id        text primary key,
    hash      text not null,
    document  text not null check (json_valid(document))
) strict, without rowid;
