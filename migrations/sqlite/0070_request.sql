-- Requests. `document` is the request as the API shows it; the other columns repeat what lists and the platform look for.
create table requests (
    number     integer primary key check (number > 0),
    version    integer not null check (version > 0),
    state      text not null,
    ended      integer not null check (ended in (0, 1)),
    kind       text not null,
    requester  text not null,
    document   text not null check (json_valid(document))
) strict;

create index requests_alive on requests (ended, number) where ended = 0;
create index requests_by_state on requests (state, number desc);
create index requests_by_requester on requests (requester, number desc);

-- What a run's plan costs and what policy says of it, made once when the plan was.
create table run_reviews (
    run        text primary key references runs (id),
    document   text not null check (json_valid(document))
) strict, without rowid;

-- What scanners found about a run's code, as they were attached.
create table run_scans (
    run        text primary key references runs (id),
    document   text not null check (json_valid(document))
) strict, without rowid;
