-- Closed months: `document` holds currency, rates and allocated rows of the time of closing.
create table cost_closings (
    period      text primary key,
    closed_at   text not null,
    actor       text not null,
    document    text not null check (json_valid(document))
) strict, without rowid;

create trigger cost_closings_never_change before update on cost_closings
begin
    select raise(abort, 'a closed period never changes');
end;

create trigger cost_closings_are_kept before delete on cost_closings
begin
    select raise(abort, 'a closed period never changes');
end;

-- What is approved and not yet live: one row a claimant, with its claim.
create table budget_reservations (
    claimant    text primary key,
    claim       text not null check (json_valid(claim)),
    reserved_at text not null
) strict, without rowid;
