-- set_back [operator]: the clock was set back by $2 to $1; runs that began in what is now the future keep their distance.
UPDATE runs SET wake_at = max($1, wake_at - $2) WHERE state = 0 AND wake_at > $1 AND created_at > $1;
