-- Runs. `document` is the run as the API shows it, `request` what was asked (without any environment); the other
-- columns repeat what lists and the executor look for. `taken` counts the journal entries that were taken over.
create table runs (
    id         text primary key,
    number     integer not null unique check (number > 0),
    version    integer not null check (version > 0),
    state      text not null,
    ended      integer not null check (ended in (0, 1)),
    kind       text not null,
    component  text,
    stack      text,
    set_id     text,
    taken      integer not null default 0,
    document   text not null check (json_valid(document)),
    request    text not null check (json_valid(request)),
    locks      text not null check (json_valid(locks)),
    parallel   integer
) strict, without rowid;

create index runs_by_number on runs (number desc);
create index runs_alive on runs (ended, number) where ended = 0;
create index runs_by_instance on runs (component, stack, number desc);
create index runs_by_set on runs (set_id, number);

-- What runs hold. A key is there once, so two runs never hold the same; `token` only grows.
create table run_locks (
    key        text primary key,
    run        text not null references runs (id),
    on_state   integer not null check (on_state in (0, 1)),
    token      integer not null,
    taken_at   text not null
) strict, without rowid;

create index run_locks_by_run on run_locks (run);

-- One row: how often a platform began, and the last token that was given to a lock.
create table run_counters (
    one        integer primary key check (one = 1),
    platform   integer not null,
    token      integer not null
) strict;

insert into run_counters (one, platform, token) values (1, 0, 0);
