-- Closed months: `document` holds currency, rates and allocated rows of the time of closing.
create table cost_closings (
    period      text collate "C" primary key,
    closed_at   text not null,
    actor       text not null,
    document    text not null check (document::json is not null)
);

create trigger cost_closings_never_change before update or delete or truncate on cost_closings
    for each statement execute function terrace_refuses('a closed period never changes');

-- What is approved and not yet live: one row a claimant, with its claim.
create table budget_reservations (
    claimant    text collate "C" primary key,
    claim       text not null check (claim::json is not null),
    reserved_at text not null
);
