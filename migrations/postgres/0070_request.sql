-- Requests. `document` is the request as the API shows it; the other columns repeat what lists and the platform look for.
create table requests (
    number     bigint primary key check (number > 0),
    version    bigint not null check (version > 0),
    state      text collate "C" not null,
    ended      bigint not null check (ended in (0, 1)),
    kind       text collate "C" not null,
    requester  text collate "C" not null,
    document   text not null check (document::json is not null)
);

create index requests_alive on requests (number) where ended = 0;
create index requests_by_state on requests (state, number desc);
create index requests_by_requester on requests (requester, number desc);

-- What a run's plan costs and what policy says of it, made once when the plan was.
create table run_reviews (
    run        text collate "C" primary key references runs (id),
    document   text not null check (document::json is not null)
);

-- What scanners found about a run's code, as they were attached.
create table run_scans (
    run        text collate "C" primary key references runs (id),
    document   text not null check (document::json is not null)
);
