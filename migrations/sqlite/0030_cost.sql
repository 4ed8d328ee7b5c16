-- Billed cost. Amounts are decimals as text, exact; days count from 1970-01-01 (UTC); `rows` are packed lines
-- (src/domain/cost/cell.rs). Staged cells are no state: what is left of a broken import is thrown away by the next.
create table cost_imports (
    id          integer primary key,
    digest      text not null,
    name        text not null,
    actor       text not null,
    imported_at text not null,
    report      text not null check (json_valid(report))
) strict;

create index cost_imports_by_digest on cost_imports (digest);

-- What an export speaks for: a bill of a provider for an account and a period, in one currency.
create table cost_bills (
    id          integer primary key,
    provider    text not null,
    account     text not null,
    period      text not null,
    currency    text not null,
    unique (provider, account, period, currency)
) strict;

create index cost_bills_by_period on cost_bills (period);

-- What lines are about: everything of a row but its time and its amounts, once.
create table cost_charges (
    id          integer primary key,
    hash        blob not null unique,
    document    text not null check (json_valid(document))
) strict;

create table cost_staged (
    bill        integer not null,
    charge      integer not null,
    day         integer not null,
    part        integer not null,
    lines       integer not null,
    billed      text not null,
    effective   text not null,
    rows        blob not null,
    primary key (bill, charge, day, part)
) strict, without rowid;

create table cost_days (
    bill        integer not null references cost_bills (id),
    charge      integer not null references cost_charges (id),
    day         integer not null,
    lines       integer not null,
    billed      text not null,
    effective   text not null,
    rows        blob not null,
    primary key (bill, charge, day)
) strict, without rowid;

-- The sums of each charge in each bill, so that a report reads no day.
create table cost_sums (
    bill        integer not null references cost_bills (id),
    charge      integer not null references cost_charges (id),
    lines       integer not null,
    billed      text not null,
    effective   text not null,
    primary key (bill, charge)
) strict, without rowid;
