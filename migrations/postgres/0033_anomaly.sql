-- Days on which a service cost far more than expected; each is told of once.
create table cost_anomalies (
    service     text collate "C" not null,
    day         text collate "C" not null,
    anomaly     text not null check (anomaly::json is not null),
    found_at    text not null,
    primary key (service, day)
);
