-- Events on their way to webhooks. `document` is the delivery as the API shows it; `next_at` is in microseconds.
create table deliveries (
    place     integer primary key,
    id        text not null unique,
    state     text not null,
    next_at   integer,
    document  text not null check (json_valid(document))
) strict;

create index deliveries_due on deliveries (next_at) where next_at is not null;
create index deliveries_by_state on deliveries (state, place);

-- How far each webhook has come in the stream of events.
create table webhook_positions (
    webhook   text primary key,
    sequence  integer not null
) strict, without rowid;
