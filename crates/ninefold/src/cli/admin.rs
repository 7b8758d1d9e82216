//! `ninefold admin`: who runs the application.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};
use engine::ErrorCode;
use engine::ports::Secret;

use super::target::Target;
use crate::application::{Application, Options, Purpose};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::structure::Structure;
use crate::telemetry;

/// Administrators: principals of their own, who may do everything
#[derive(Debug, Args)]
pub(super) struct Admin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
}

/// Make an administrator, who signs in with the address and a password
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold admin create --email me@example.com
  pass show shop/admin | ninefold admin create shop --email me@example.com --password-stdin")]
struct Create {
    /// The administrator's address
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Read the password from the first line of standard input, without asking
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    target: Target,
}

impl Admin {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Command::Create(create) = self.command;
        create.run().await
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let password = self.password()?;
        let options = Options {
            purpose: Purpose::Production,
            structure: Structure::Apply {
                allow_destructive: false,
            },
            address: None,
        };
        let application = Application::open(&self.target.dir, config, options).await?;
        let created = application.identity().create_administrator(&self.email, password).await;
        application.close().await;
        match created {
            Ok(_) => {
                println!("{} is an administrator now", self.email);
                Ok(())
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn password(&self) -> Result<Secret<String>, Failure> {
        if !self.password_stdin {
            if !io::stdin().is_terminal() {
                return Err(Failure::usage("there is no terminal to ask for a password on")
                    .help("pipe it in, with --password-stdin"));
            }
            eprint!("Password for {}: ", self.email);
            io::stderr().flush().ok();
        }
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| Failure::environment(format!("the password can't be read: {error}")))?;
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(Failure::mistake("the password is empty"));
        }
        Ok(Secret::new(password.to_owned()))
    }
}

fn refused(error: &engine::Error) -> Failure {
    match error.code {
        ErrorCode::Invalid | ErrorCode::UniqueViolation => {
            let fields = error
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.field, field.message));
            let fields: Vec<_> = fields.collect();
            if fields.is_empty() {
                Failure::mistake(error.message.clone())
            } else {
                Failure::mistake(fields.join("; "))
            }
        }
        _ => Failure::database(error),
    }
}
