//! A file for `/etc/cron.d`.

use super::{INTERVAL, Job, MARK};

/// A file for cron. The minute is of the caller's choice, at random: so not all couriers come at once.
pub fn cron(job: &Job, minute: u8) -> String {
    let hours = INTERVAL.as_secs() / 3600;
    format!(
        "# {MARK}: changes are lost when it is installed again.\n\
         SHELL=/bin/sh\n\
         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         {minute} */{hours} * * * {user} {program} --quiet --config {config} run\n",
        minute = minute % 60,
        user = job.user,
        program = word(&job.program),
        config = word(&job.config),
    )
}

/// A word of the shell; cron itself takes `%` for the end of the line.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''").replace('%', "\\%"))
}
