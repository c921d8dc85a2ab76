use super::*;

const REQUESTS: &str = "\
id,arrive_s,depart_s,cpu_milli,mem_mib,gpu,gpu_milli,gpu_spec,class,scheduled_s
late,20,,1500,2048,0,0,,BE,
early,10,40,1000,1024,1,500,G1|G2,LS,12
";

#[test]
fn the_openb_form_is_read_by_column_names_and_sorted_by_time() {
    let read = csv::requests("r.csv", REQUESTS).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].id.as_str(), read[0].gpu, read[0].depart_s), ("early", 1, Some(40)));
    assert_eq!((read[1].low, read[1].depart_s, read[1].size()), (true, None, Size::new(2, 2048, 1)));
    let hosts = csv::hosts("h.csv", "gpu,mem_mib,id,cpu_milli\n0,1024,a,4000\n").unwrap();
    assert_eq!((hosts[0].id.as_str(), hosts[0].cpu_milli), ("a", 4000));
}

#[test]
fn errors_name_file_line_and_field() {
    let said = |text: &str| csv::requests("folder/requests.csv", text).unwrap_err().to_string();
    let broken = |from: &str, to: &str| said(&REQUESTS.replace(from, to));
    let text = broken("1000,1024", "1k,1024");
    assert!(text.contains("folder/requests.csv, line 3: cpu_milli = `1k`"), "{text}");
    let text = broken("10,40", "10,9");
    assert!(text.contains("line 3: depart_s = `9`"), "{text}");
    let text = broken(",mem_mib", ",memory");
    assert!(text.contains("line 1: column mem_mib is missing"), "{text}");
    let text = broken("BE,", "BE");
    assert!(text.contains("line 2: 9 fields"), "{text}");
    assert!(said("id\n").contains("has no rows"));
}

#[test]
fn a_made_up_trace_is_what_its_mixture_says_and_the_same_each_time() {
    let mixture = Mixture::default();
    let trace = generate(1, &mixture);
    assert_eq!(trace, generate(1, &mixture));
    assert_ne!(trace.requests, generate(2, &mixture).requests);
    let count = trace.requests.len() as f64;
    assert!((count / (31.0 * 24.0) - 169.0).abs() < 5.0, "{count}");
    let small = trace.requests.iter().filter(|row| (row.cpu_milli, row.mem_mib) == (1000, 2048)).count() as f64;
    assert!((small / count - 0.437).abs() < 0.01, "{small}");
    let end = 31 * 86_400;
    let stay = trace.requests.iter().filter(|row| row.depart_s.is_none_or(|at| at >= end)).count() as f64;
    // Those that are longer than the run, and those that came too late to leave.
    assert!((0.07..0.10).contains(&(stay / count)), "{}", stay / count);
    let low = trace.requests.iter().filter(|row| row.low).count() as f64;
    assert!((low / count - 0.2).abs() < 0.01);
    let by_hour = |from: u64, to: u64| {
        let hour = |row: &&TraceRequest| (from..to).contains(&(row.arrive_s / 3600 % 24));
        trace.requests.iter().filter(hour).count() as f64
    };
    assert!(by_hour(11, 15) > 2.0 * by_hour(0, 4), "days are busier than nights");
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let trace = generate(3, &Mixture { days: 1, ..Mixture::default() });
    trace.write(folder.path()).unwrap();
    let read = Trace::read(folder.path()).unwrap();
    assert_eq!((read.requests, read.hosts), (trace.requests, trace.hosts));
    let missing = Trace::read(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("requests.csv cannot be read"), "{missing}");
}
