-- Runs. `document` is the run as the API shows it, `request` what was asked (without any environment); the other
-- columns repeat what lists and the executor look for. `taken` counts the journal entries that were taken over.
create table runs (
    id         text collate "C" primary key,
    number     bigint not null unique check (number > 0),
    version    bigint not null check (version > 0),
    state      text collate "C" not null,
    ended      bigint not null check (ended in (0, 1)),
    kind       text collate "C" not null,
    component  text collate "C",
    stack      text collate "C",
    set_id     text collate "C",
    taken      bigint not null default 0,
    document   text not null check (document::json is not null),
    request    text not null check (request::json is not null),
    locks      text not null check (locks::json is not null),
    parallel   bigint
);

create index runs_alive on runs (number) where ended = 0;
create index runs_by_instance on runs (component, stack, number desc);
create index runs_by_set on runs (set_id, number);

-- What runs hold. A key is there once, so two runs never hold the same; `token` only grows.
create table run_locks (
    key        text collate "C" primary key,
    run        text collate "C" not null references runs (id),
    on_state   bigint not null check (on_state in (0, 1)),
    token      bigint not null,
    taken_at   text not null
);

create index run_locks_by_run on run_locks (run);

-- One row: how often a platform began, and the last token that was given to a lock.
create table run_counters (
    one        bigint primary key check (one = 1),
    platform   bigint not null,
    token      bigint not null
);

insert into run_counters (one, platform, token) values (1, 0, 0);
