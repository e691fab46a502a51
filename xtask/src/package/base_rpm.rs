//! An RPM with empty files where the payload goes, by cargo-generate-rpm from `[package.metadata.generate-rpm]`.

use std::path::Path;

use artifact::PackageVersion;
use fs_err as fs;
use payload_splice::PayloadFile;
use toml::{Table, Value};

use super::{PackageError, Packager, Relations};
use crate::{command::Cmd, failure::FileContext, plan::Target, tools::Tools};

/// Runs cargo-generate-rpm and gives the package's bytes.
pub(super) fn make(
    packager: &Packager<'_>,
    target: &Target,
    relations: &Relations,
    payload: &[PayloadFile<'_>],
    scratch: &Path,
) -> Result<Vec<u8>, PackageError> {
    let empty = scratch.join("empty");
    fs::write(&empty, "").while_("write a placeholder")?;
    let metadata = packager.workspace.component_cargo_toml(target.component);
    let text = fs::read_to_string(&metadata).while_("read package metadata")?;
    let cargo_toml: Table = toml::from_str(&text).map_err(|source| PackageError::Metadata {
        target: target.to_string(),
        path: metadata,
        source: Box::new(source),
    })?;
    let assets = cargo_toml
        .get("package")
        .and_then(|package| package.get("metadata")?.get("generate-rpm")?.get("assets")?.as_array())
        .ok_or_else(|| PackageError::NoAssets { target: target.to_string() })?;

    let overlay = scratch.join("overlay.toml");
    fs::write(&overlay, overlay_text(relations, assets, payload, &empty)).while_("write package metadata")?;
    let out = scratch.join("base.rpm");
    Cmd::new(packager.tools.cargo_tool(Tools::CARGO_GENERATE_RPM))
        .dir(packager.workspace.root())
        .args(["-p", target.component.folder(), "--target", target.arch.target(), "--auto-req", "disabled"])
        // The payload is compressed anew.
        .args(["--payload-compress", "none", "--source-date", &packager.stamp.time.unix().to_string()])
        .arg("--metadata-overwrite")
        .arg(&overlay)
        .arg("--output")
        .arg(&out)
        .output()
        .map_err(|source| PackageError::GenerateRpm { target: target.to_string(), source })?;
    Ok(fs::read(&out).while_("read what cargo-generate-rpm made")?)
}

/// What this target adds to, or puts in place of, the metadata in `Cargo.toml`.
fn overlay_text(relations: &Relations, assets: &[Value], payload: &[PayloadFile<'_>], empty: &Path) -> String {
    let text = |text: &str| Value::String(text.to_owned());
    let table = |entries: Vec<(&str, String)>| -> Value {
        entries.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect::<Table>().into()
    };
    let exactly = |version: &str| if version.is_empty() { "*".to_owned() } else { format!("= {version}") };

    let placeholders = payload.iter().map(|file| {
        let mode = format!("{:o}", file.mode);
        table(vec![
            ("source", empty.to_string_lossy().into_owned()),
            ("dest", file.install_path.to_string()),
            ("mode", mode),
        ])
    });
    let mut overlay = Table::new();
    overlay.insert("epoch".to_owned(), Value::Integer(PackageVersion::EPOCH.into()));
    overlay.insert("version".to_owned(), text(&relations.rpm_version));
    overlay.insert("release".to_owned(), text(&relations.rpm_release));
    overlay.insert("name".to_owned(), text(relations.component.package_name()));
    overlay.insert("requires".to_owned(), table(vec![(&relations.rpm_requires(), "*".to_owned())]));
    let provides = relations.provides.iter().map(|(name, version)| (name.as_str(), exactly(version))).collect();
    overlay.insert("provides".to_owned(), table(provides));
    overlay.insert("assets".to_owned(), assets.iter().cloned().chain(placeholders).collect::<Vec<_>>().into());
    if let Some(summary) = &relations.summary {
        overlay.insert("summary".to_owned(), text(summary));
    }
    toml::to_string(&overlay).expect("a table is always TOML")
}
