-- What was decided on recommendations, each with the recommendation as it was then.
create table recommendation_decisions (
    id          text collate "C" primary key,
    decided     text not null check (decided::json is not null)
);
