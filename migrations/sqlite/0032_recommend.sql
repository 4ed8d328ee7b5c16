-- What was decided on recommendations, each with the recommendation as it was then.
create table recommendation_decisions (
    id          text primary key,
    decided     text not null check (json_valid(decided))
) strict, without rowid;
