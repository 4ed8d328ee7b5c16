-- What happened: the event stream, the audit trail, and the answers kept for idempotency keys.
-- Times are RFC 3339 in UTC. Sequences count from 1 without gaps; they are given under the write lock.
-- What is compared or ordered as text is so by its bytes (collate "C"), as in SQLite.

-- Of all platforms on this database, the one that writes: each that begins takes the next epoch. One row.
create table platform_lease (
    one        bigint primary key check (one = 1),
    epoch      bigint not null,
    source     text not null,
    begun_at   text not null
);

create table events (
    sequence   bigint primary key check (sequence > 0),
    id         text collate "C" not null unique,
    source     text not null,
    type       text collate "C" not null,
    subject    text collate "C" not null,
    time       text collate "C" not null,
    command    text not null,
    data       text not null check (data::json is not null)
);

create index events_by_subject on events (subject, sequence);
create index events_by_type on events (type, sequence);

-- `record` is the canonical JSON (RFC 8785) of the whole record, byte for byte what a hash chain covers;
-- the other columns repeat what lists filter by.
create table audit (
    sequence   bigint primary key check (sequence > 0),
    time       text collate "C" not null,
    actor      text collate "C" not null,
    action     text collate "C" not null,
    object     text collate "C" not null,
    record     text not null
);

create index audit_by_object on audit (object, sequence);
create index audit_by_actor on audit (actor, sequence);

create function terrace_refuses() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0];
end
$$;

create trigger events_are_append_only before update or delete or truncate on events
    for each statement execute function terrace_refuses('events are append-only');

create trigger audit_is_append_only before update or delete or truncate on audit
    for each statement execute function terrace_refuses('the audit trail is append-only');

create table idempotency_keys (
    actor        text collate "C" not null,
    key          text collate "C" not null,
    fingerprint  text not null,
    status       bigint not null,
    answer       text not null,
    created_at   text collate "C" not null,
    primary key (actor, key)
);

create index idempotency_keys_by_age on idempotency_keys (created_at);
