-- Which files a bill's rows came from, so that a newer version of the same export is known.
create table cost_sources (
    bill        bigint not null references cost_bills (id),
    name        text collate "C" not null,
    first_day   integer not null,
    last_day    integer not null,
    primary key (bill, name)
);
