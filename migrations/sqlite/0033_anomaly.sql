-- Days on which a service cost far more than expected; each is told of once.
create table cost_anomalies (
    service     text not null,
    day         text not null,
    anomaly     text not null check (json_valid(anomaly)),
    found_at    text not null,
    primary key (service, day)
) strict, without rowid;
