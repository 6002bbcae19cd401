//! `cbuild image`.

use std::io::ErrorKind;
use std::path::Path;

use cbuild_oci::{Compression, Format, ImageInfo, Inspection, OciError, PackOptions};

use super::build::built_if;
use crate::args::{ImageCommand, ImageFormat, LayerCompression};
use crate::evaluation::Buildable;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        problem(Exit::Failed, &error).into()
    }
}

fn problem(exit: Exit, error: &OciError) -> Problem {
    let mut problem = Problem::new(exit, error.code(), error.to_string());
    problem.help = error.help();
    problem
}

/// Runs a command on images.
pub(crate) fn run(session: &Session, command: ImageCommand) -> Result<(), Failure> {
    match command {
        ImageCommand::Export { target, output, format, compression } => {
            let options = PackOptions {
                format: match format {
                    ImageFormat::Oci => Format::Oci,
                    ImageFormat::OciArchive => Format::OciArchive,
                    ImageFormat::DockerArchive => Format::DockerArchive,
                },
                compression: match compression {
                    LayerCompression::Gzip => Compression::Gzip,
                    LayerCompression::Zstd => Compression::Zstd,
                    LayerCompression::None => Compression::None,
                },
                ..PackOptions::default()
            };
            export(session, &target, &output, &options)
        }
        ImageCommand::Inspect { path } => inspect(session, &path),
    }
}

fn export(
    session: &Session,
    target: &str,
    out: &Path,
    options: &PackOptions,
) -> Result<(), Failure> {
    let store = session.store()?;
    let is_image = |found: &Buildable| {
        if found.image {
            return Ok(());
        }
        let message = format!("`{target}` is a Package, not an Image");
        Err(Problem::new(Exit::Input, "E1030", message)
            .help("make an image of it with `std.oci.image`, and name that; often it is `:image`")
            .into())
    };
    for (_, object) in built_if(session, &store, &[target.to_owned()], is_image)? {
        let summary = cbuild_oci::pack(&store, &object, options, out)?;
        if session.options.json {
            output::json(&to_json(&summary)?)?;
        } else {
            let size = indicatif::HumanBytes(summary.size);
            output::line(&format!("{} {} {size}", summary.reference, summary.digest()))?;
        }
    }
    Ok(())
}

fn inspect(session: &Session, path: &Path) -> Result<(), Failure> {
    let found = cbuild_oci::inspect(path).map_err(|error| match &error {
        OciError::Read { path: missing, source }
            if missing == path && source.kind() == ErrorKind::NotFound =>
        {
            Failure::from(problem(Exit::Input, &error))
        }
        _ => error.into(),
    })?;
    if session.options.json {
        return output::json(&to_json(&found)?);
    }
    let Inspection { format, images, others } = &found;
    output::line(&format!(
        "format {}, {} image(s), digests checked",
        format.as_str(),
        images.len()
    ))?;
    images.iter().try_for_each(describe)?;
    others.iter().try_for_each(|other| {
        output::line(&cbuild_diag::clean(&format!("no image: {}, {}", other.digest, other.what)))
    })
}

fn describe(image: &ImageInfo) -> Result<(), Failure> {
    let RunText { lines } = RunText::of(image);
    lines.iter().try_for_each(|line| output::line(line))
}

/// The lines that tell a reader what an image is.
struct RunText {
    lines: Vec<String>,
}

impl RunText {
    fn of(image: &ImageInfo) -> Self {
        let mut text = Self { lines: Vec::new() };
        text.row("reference", &image.references.join(" "));
        text.row("manifest", &image.manifest_digest.map_or(String::new(), |d| d.to_string()));
        text.row("platform", &image.platform);
        text.row("size", &indicatif::HumanBytes(image.size).to_string());
        text.row("entrypoint", &image.config.entrypoint.join(" "));
        text.row("user", &image.config.user);
        text.row("folder", &image.config.working_dir);
        text.row("ports", &image.config.exposed_ports.join(" "));
        text.row("volumes", &image.config.volumes.join(" "));
        text.row("env", &image.config.env.join(" "));
        for layer in &image.layers {
            let what = layer.created_by.as_deref().unwrap_or_default();
            let size = indicatif::HumanBytes(layer.size);
            text.row("layer", &format!("{} {size} {what}", layer.digest));
        }
        if let Some(contract) = &image.contract {
            for (name, served) in &contract.listens {
                let line =
                    format!("{name}: {} on {}/{}", served.protocol, served.port, served.transport);
                text.row("listens", &line);
            }
            for (name, needed) in &contract.connects {
                text.row("connects", &format!("{name}: {}", needed.protocol));
            }
            for (name, variable) in &contract.env {
                text.row("reads", &format!("{name}: {}", variable.variable));
            }
        }
        text
    }

    fn row(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            // What an image says of itself does not steer the terminal.
            self.lines.push(format!(
                "  {label:<11}{}",
                cbuild_diag::clean(&value.replace('\r', "\\r").replace('\n', "\\n"))
            ));
        }
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| {
        Problem::defect("E1031", format!("a result cannot be written as JSON: {error}")).into()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::to_json;

    #[test]
    fn what_json_has_no_form_for_is_a_defect() {
        let odd = BTreeMap::from([(vec![1], 2)]);
        let text = to_json(&odd).err().map(|failure| failure.text());
        insta::assert_snapshot!(text.unwrap_or_default());
    }
}
