-- What happened: the event stream, the audit trail, and the answers kept for idempotency keys.
-- Times are RFC 3339 in UTC. Sequences count from 1 without gaps; they are given under the write lock.

create table events (
    sequence   integer primary key check (sequence > 0),
    id         text not null unique,
    source     text not null,
    type       text not null,
    subject    text not null,
    time       text not null,
    command    text not null,
    data       text not null check (json_valid(data))
) strict;

create index events_by_subject on events (subject, sequence);
create index events_by_type on events (type, sequence);

-- `record` is the canonical JSON (RFC 8785) of the whole record, byte for byte what a hash chain covers;
-- the other columns repeat what lists filter by.
create table audit (
    sequence   integer primary key check (sequence > 0),
    time       text not null,
    actor      text not null,
    action     text not null,
    object     text not null,
    record     text not null
) strict;

create index audit_by_object on audit (object, sequence);
create index audit_by_actor on audit (actor, sequence);

create trigger events_are_append_only before update on events
begin
    select raise(abort, 'events are append-only');
end;

create trigger events_are_kept before delete on events
begin
    select raise(abort, 'events are append-only');
end;

create trigger audit_is_append_only before update on audit
begin
    select raise(abort, 'the audit trail is append-only');
end;

create trigger audit_is_kept before delete on audit
begin
    select raise(abort, 'the audit trail is append-only');
end;

create table idempotency_keys (
    actor        text not null,
    key          text not null,
    fingerprint  text not null,
    status       integer not null,
    answer       text not null,
    created_at   text not null,
    primary key (actor, key)
) strict, without rowid;

create index idempotency_keys_by_age on idempotency_keys (created_at);
